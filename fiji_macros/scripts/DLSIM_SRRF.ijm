#@ File (label="Time series (leave empty: the open image)", required=false, persist=false) input
#@ File (label="Results folder (leave empty: show only)", style="directory", required=false, persist=false) output
#@ String (label="Method (srrf, esrrf, or a network of 'dlsim models')", value="srrf", persist=false) method
#@ String (label="Over time", choices={"auto", "TRM", "TRA", "TRPPM", "TRAC2", "TRAC3", "TRAC4", "AVG", "VAR", "TAC2"}, value="auto", persist=false) mode
#@ Integer (label="Magnification", value=5, min=1, max=10, persist=false) magnification
#@ Double (label="Ring radius in px (0: the method's own)", value=0, stepSize=0.1, persist=false) radius
#@ Integer (label="Frames of one image (0: all)", value=0, min=0, persist=false) frames_per_image
#@ Double (label="Pixel of the frames in um (0: as the file tells)", value=0, stepSize=0.001, persist=false) pixel_size
#@ Boolean (label="Correct drift", value=false, persist=false) drift
#@ Boolean (label="Replace results of that name", value=false, persist=false) overwrite

// Plugins > DLSIM > DLSIM SRRF in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_srrf.ijm.

arguments = "input=" + quoted(input) + " output=" + quoted(output) + " method=" + quoted(method)
    + " mode=" + mode + " magnification=" + magnification + " radius=" + d2s(radius, 4)
    + " frames_per_image=" + frames_per_image + " pixel_size=" + d2s(pixel_size, 6) + " drift=" + drift
    + " overwrite=" + overwrite;
runMacro("DLSIM/dlsim_srrf.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
