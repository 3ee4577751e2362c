"""The pruning methods, one a file. A new one is a file here and a line below."""

from detector.pruning.method import register
from detector.pruning.methods.amplify import Amplify
from detector.pruning.methods.remove import Remove
from detector.pruning.methods.reset import Reset
from detector.pruning.methods.stimulate import Stimulate
from detector.pruning.methods.trim import Trim

for _method in (Remove(), Reset(), Trim(), Amplify(), Stimulate()):
    register(_method)
