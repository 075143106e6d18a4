"""How the released models were made: `make release` runs pack, train and finish, in this order.

`pack` gathers the images into one file, `train` (on JAX, without a GPU on TensorFlow) teaches
large networks and then the small ones, `finish` sets the last layers and writes the models,
`opinion` teaches one of them what is no face at all.
"""
