"""Many inputs, one after the other or on many machines, each done once: `dlsim batch`."""
