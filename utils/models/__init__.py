"""Networks and the files that carry them.

`networks` and `backbones` build them, `model_file` and `metadata` keep them with all that
they need to know, `litert` and `predictor` answer with them, `saliency` asks why.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "backbones": ["make_trunk", "unfreeze_from"],
        "backend": ["keras"],
        "export": ["export_model"],
        "model_file": ["load_model", "save_model"],
        "networks": ["join", "mirrored", "mlp_head", "residual_network", "six_layer_network"],
        "predictor": ["Predictor", "load"],
        "saliency": ["occlusion_map"],
    },
)
