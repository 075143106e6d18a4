"""Networks and the files that carry them.

`networks` and `backbones` build them, `model_file` and `metadata` keep them with all that
they need to know, `litert` and `predictor` answer with them, `saliency` asks why.
"""
