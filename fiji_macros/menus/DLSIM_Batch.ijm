// Plugins > DLSIM > DLSIM Batch of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_batch.ijm");
