#@ File (label="Time series (leave empty: the open image)", required=false) input
#@ File (label="Results folder (leave empty: show only)", style="directory", required=false) output
#@ String (label="Method (srrf, esrrf, or a network of 'dlsim models')", value="srrf") method
#@ String (label="Over time", choices={"auto", "TRM", "TRA", "TRPPM", "TRAC2", "TRAC3", "TRAC4", "AVG", "VAR", "TAC2"}, value="auto") mode
#@ Integer (label="Magnification", value=5, min=1, max=10) magnification
#@ Double (label="Ring radius in px (0: the method's own)", value=0, stepSize=0.1) radius
#@ Integer (label="Frames of one image (0: all)", value=0, min=0) frames_per_image
#@ Double (label="Pixel of the frames in um (0: as the file tells)", value=0, stepSize=0.001) pixel_size
#@ Boolean (label="Correct drift", value=false) drift
#@ Boolean (label="Replace results of that name", value=false) overwrite

// Plugins > DLSIM > DLSIM SRRF in Fiji. The work is done by macros/DLSIM/dlsim_srrf.ijm.

arguments = "input=" + quoted(input) + " output=" + quoted(output) + " method=" + quoted(method)
    + " mode=" + mode + " magnification=" + magnification + " radius=" + d2s(radius, 4)
    + " frames_per_image=" + frames_per_image + " pixel_size=" + d2s(pixel_size, 6) + " drift=" + drift
    + " overwrite=" + overwrite;
return runMacro("DLSIM/dlsim_srrf.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
