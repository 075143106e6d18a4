"""Commands for one person's face, and for taking a model along."""

from utils import config


def personalise(options) -> None:
    """teach a model one person's face, from that person's takes"""
    from utils.training.personalise import personalise as teach

    print(teach(options.folder, options.save, options.model, options.subject, options.way))


def add_commands(add) -> None:
    """Add them to the command line.

    Args:
        add: makes a parser from a name and a function, as `cli.parser` has it.
    """
    command = add("personalise", personalise)
    command.add_argument("folder", help="takes, such as data/mine: TAKE/CLASS/IMAGE")
    command.add_argument(
        "--save",
        required=True,
        metavar="FILE",
        help="the new model, .keras (default: none, name it)",
    )
    command.add_argument(
        "--model", default=config.DEFAULT_MODEL, help="the model that learns; it stays as it is"
    )
    command.add_argument(
        "--subject", metavar="NAME", help="whose takes (default: those of the only person there)"
    )
    command.add_argument(
        "--way",
        choices=("auto", "neutral", "few-shot"),
        default="auto",
        help="shift the answers by a resting face, or learn from all classes",
    )
