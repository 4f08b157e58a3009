// DLSIM Reconstruct: a super-resolved image from raw SIM frames.
//
//   runMacro("DLSIM/dlsim_reconstruct.ijm", "input=[/data/my cell.tif] output=[/data/results] model=sim15");
//
// Without argument a dialog asks. Returns the path of the image, or its title if it was only shown.
//   input       raw stack, angle-major; empty: the open image
//   output      results folder (images, numbers, report.html); empty: show only
//   model       sim15, sim3, lowlight, or the folder of your own
//   target      wiener or object: which of the model's images
//   pixel_size  of the frames in um; 0: as the file tells
//   na, emission_nm, layout     optics, angles x phases
//   measure     resolution, RSP, RSE
//   show        images to open: sr, widefield, wiener, uncertainty, error, residual; none
//   overwrite   replace results of that name
//   force       go on when the frames do not look like a SIM acquisition

known = newArray("input", "", "output", "", "model", "sim15", "target", "", "pixel_size", "0", "na", "1.49",
    "emission_nm", "525", "layout", "3x5", "measure", "true", "show", "sr", "overwrite", "false",
    "force", "false");
if (!begin("reconstruct", known)) {
    startDialog("DLSIM Reconstruct");
    Dialog.addMessage("Raw SIM frames, all phases of the first angle first.");
    askFile("Raw stack (empty: the open image)", "input");
    askFolder("Results folder (empty: show only)", "output");
    askChoice("Model", "model", newArray("sim15: 15 frames, any light", "sim3: one frame of each angle",
        "lowlight: 15 frames, a few photons per pixel"));
    askNumber("Pixel of the frames (0: as the file tells)", "pixel_size", 4, "um");
    askNumber("Numerical aperture", "na", 2, "");
    askNumber("Emission", "emission_nm", 0, "nm");
    askSwitch("Measure resolution, RSP and RSE", "measure");
    askText("Open (sr, widefield, wiener, uncertainty, error)", "show", 30);
    askSwitch("Replace results of that name", "overwrite");
    endDialog(newArray("input", "text", "output", "text", "model", "choice", "pixel_size", "number",
        "na", "number", "emission_nm", "number", "measure", "switch", "show", "text", "overwrite", "switch"));
}

input = pathOf(value("input"));
addWord("run");
addWord(input);
addWord("-o");
addWord(resultsFolder());
addWord("--engine");
addWord("none");                // measures need no second Java
addOption("--model", "model");
addOption("--target", "target");
addNumeric("--pixel-size", "pixel_size");
addNumeric("--na", "na");
addNumeric("--emission-nm", "emission_nm");
addOption("--layout", "layout");
if (!isOn("measure"))
    addWord("--no-measures");
addSwitch("--overwrite", "overwrite");
addSwitch("--force", "force");
callDlsim();

answer = "";
for (n = 1; n <= resultCount(); n++) {
    name = File.getName(result(n, "outputs.sr"));
    row = newRow(name);
    cell(row, "Model", result(n, "model"));
    cell(row, "Resolution_nm", result(n, "metrics.resolution_nm"));
    cell(row, "RSP", result(n, "metrics.rsp"));
    cell(row, "RSE", result(n, "metrics.rse"));
    cell(row, "Uncertainty_percent", result(n, "metrics.uncertainty_percent"));
    cell(row, "Seconds", result(n, "metrics.seconds"));
    tellWarnings(n, name);
    shown = split(value("show"), ", ");
    for (k = shown.length - 1; k >= 0; k--) {       // the first one ends in front
        path = result(n, "outputs." + shown[k]);
        if (path != "" && shown[k] != "report") {
            if (shown[k] == "uncertainty" || shown[k] == "error")
                openResult(path, "Fire");
            else
                openResult(path, "Grays");
        }
    }
    answer = result(n, "outputs.sr");
    if ("" == value("output"))
        answer = name;
}
updateResults();
cleanUp();
return answer;
