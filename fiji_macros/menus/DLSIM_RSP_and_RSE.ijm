// Plugins > DLSIM > DLSIM RSP and RSE of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_squirrel.ijm");
