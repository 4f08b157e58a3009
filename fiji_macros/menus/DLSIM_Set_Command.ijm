// Plugins > DLSIM > DLSIM Set Command of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_set_command.ijm");
