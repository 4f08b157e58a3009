#@ File (label="Folder of raw stacks", style="directory") input
#@ File (label="Results folder", style="directory") output
#@ String (label="Model", choices={"sim15", "sim3", "lowlight"}, value="sim15") model
#@ Double (label="Pixel of the frames in um (0: as the files tell)", value=0, stepSize=0.001) pixel_size
#@ Double (label="Numerical aperture", value=1.49, stepSize=0.01) na
#@ Double (label="Emission in nm", value=525) emission_nm
#@ Boolean (label="Measure resolution, RSP and RSE", value=true) measure
#@ Boolean (label="Replace results of that name", value=false) overwrite
#@ Boolean (label="Open the report in the browser", value=false) open_report

// Plugins > DLSIM > DLSIM Batch in Fiji. The work is done by macros/DLSIM/dlsim_batch.ijm.

arguments = "input=" + quoted(input) + " output=" + quoted(output) + " model=" + model
    + " pixel_size=" + d2s(pixel_size, 6) + " na=" + d2s(na, 6) + " emission_nm=" + d2s(emission_nm, 4)
    + " measure=" + measure + " overwrite=" + overwrite + " open_report=" + open_report;
return runMacro("DLSIM/dlsim_batch.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
