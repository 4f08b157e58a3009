// Plugins > DLSIM > DLSIM Resolution of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_resolution.ijm");
