// Calls Python from a macro, in the same process and without a file in between:
//   dlsim macro enlarge_with_python.ijm "output=[big cell.tif]"
// Ext.dlsim(verb, "key=value ...") works on the current image; its result becomes the current image.

newImage("cell", "32-bit ramp", 128, 96, 1);
Ext.dlsim("resize", "scale=2");
run("Multiply...", "value=100");

argument = getArgument();
if (startsWith(argument, "output=["))
    saveAs("Tiff", substring(argument, 8, lengthOf(argument) - 1));
return "" + getWidth() + " x " + getHeight();
