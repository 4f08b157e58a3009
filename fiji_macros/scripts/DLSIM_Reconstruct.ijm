#@ File (label="Raw stack (leave empty: the open image)", required=false) input
#@ File (label="Results folder (leave empty: show only)", style="directory", required=false) output
#@ String (label="Model", choices={"sim15", "sim3", "lowlight"}, value="sim15") model
#@ Double (label="Pixel of the frames in um (0: as the file tells)", value=0, stepSize=0.001) pixel_size
#@ Double (label="Numerical aperture", value=1.49, stepSize=0.01) na
#@ Double (label="Emission in nm", value=525) emission_nm
#@ Boolean (label="Measure resolution, RSP and RSE", value=true) measure
#@ String (label="Open (sr, widefield, wiener, uncertainty, error)", value="sr") show
#@ Boolean (label="Replace results of that name", value=false) overwrite

// Plugins > DLSIM > DLSIM Reconstruct in Fiji. The work is done by macros/DLSIM/dlsim_reconstruct.ijm.

arguments = "input=" + quoted(input) + " output=" + quoted(output) + " model=" + model
    + " pixel_size=" + d2s(pixel_size, 6) + " na=" + d2s(na, 6) + " emission_nm=" + d2s(emission_nm, 4)
    + " measure=" + measure + " show=" + quoted(show) + " overwrite=" + overwrite;
return runMacro("DLSIM/dlsim_reconstruct.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
