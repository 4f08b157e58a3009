// Plugins > DLSIM > DLSIM Reconstruct of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_reconstruct.ijm");
