"""python -m minigen, and the command `minigen`: cli.py, if the engine has the device that MINIGEN_DEVICE asks for."""
import sys

try:
    from .cli import main
except RuntimeError as error:  # of whoever started the program, for whom a traceback says nothing
    print(f"minigen: {error}", file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:  # while all that was still being imported
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
