"""Make ``python -m dlsim_ij`` the same as ``dlsim``."""

from dlsim_ij.cli.main import main

if __name__ == "__main__":
    main()
