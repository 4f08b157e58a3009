#@ File (label="Image (leave empty: the open one)", required=false, persist=false) input
#@ Double (label="Pixel size in um (0: as the file tells)", value=0, stepSize=0.001, persist=false) pixel_size
#@ String (label="Numbers of the plugin", choices={"1.1.8-nocap", "1.1.8", "1.1.7-2019"}, value="1.1.8-nocap", persist=false) version
#@ String (label="Rectangle X,Y,W,H (or: selection)", value="", required=false, persist=false) roi
#@ Integer (label="Directions (0: none)", value=0, min=0, max=36, persist=false) sectors

// Plugins > DLSIM > DLSIM Resolution in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_resolution.ijm.

arguments = "input=" + quoted(input) + " pixel_size=" + d2s(pixel_size, 6) + " version=" + version
    + " roi=" + quoted(roi) + " sectors=" + sectors;
runMacro("DLSIM/dlsim_resolution.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
