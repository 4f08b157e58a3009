// Plugins > DLSIM > DLSIM RSP and RSE of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_squirrel.ijm");
