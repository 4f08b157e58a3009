// Plugins > DLSIM > DLSIM Set Command of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_set_command.ijm");
