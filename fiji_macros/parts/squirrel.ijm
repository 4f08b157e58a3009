// DLSIM RSP and RSE: a super-resolved image against its diffraction-limited one (SQUIRREL).
//
//   rsp = runMacro("DLSIM/dlsim_squirrel.ijm", "reference=[/data/cell_wf.tif] image=[/data/cell_sr.tif]");
//
// Without argument a dialog asks. Fills the results table, one row per plane; returns RSP of the first.
//   reference, image    paths, or titles of open images
//   mode        exact: what the method describes; compat: the published plugin's numbers
//   map         show the error map
//   output      folder for the maps; empty: show only
//   sigma_um    known blur in um; 0: found
//   overwrite   replace maps of that name

known = newArray("reference", "", "image", "", "mode", "exact", "map", "true", "output", "", "sigma_um", "0",
    "overwrite", "false");
if (!begin("squirrel", known)) {
    startDialog("DLSIM RSP and RSE");
    titles = getList("image.titles");
    if (titles.length >= 2) {
        askChoice("Reference (diffraction-limited)", "reference", titles);
        askChoice("Image (super-resolved)", "image", titles);
        kind = "title";
    } else {
        askFile("Reference (diffraction-limited)", "reference");
        askFile("Image (super-resolved)", "image");
        kind = "text";
    }
    askChoice("Numbers", "mode", newArray("exact: what the method describes", "compat: as the published plugin"));
    askSwitch("Show the error map", "map");
    askFolder("Folder for the maps (empty: show only)", "output");
    askNumber("Known blur (0: find it)", "sigma_um", 4, "um");
    askSwitch("Replace maps of that name", "overwrite");
    endDialog(newArray("reference", kind, "image", kind, "mode", "choice", "map", "switch", "output", "text",
        "sigma_um", "number", "overwrite", "switch"));
}

if ("" == value("reference"))
    fail("there is no reference", "reference=[path or title]");
if ("" == value("image"))
    fail("there is no image", "image=[path or title]");
reference = pathOf(value("reference"));
image = pathOf(value("image"));
addWord("squirrel");
addWord("--reference");
addWord(reference);
addWord("--image");
addWord(image);
addOption("--mode", "mode");
addNumeric("--sigma-um", "sigma_um");
folder = value("output");
if (isOn("map") || folder != "") {
    addWord("--maps");
    addWord(resultsFolder());
}
addSwitch("--overwrite", "overwrite");
callDlsim();

for (n = 1; n <= resultCount(); n++) {
    name = File.getName(result(n, "image"));
    row = newRow(name);
    cell(row, "Plane", result(n, "plane"));
    cell(row, "RSP", result(n, "rsp"));
    cell(row, "RSE", result(n, "rse"));
    cell(row, "Gain", result(n, "alpha"));
    cell(row, "Offset", result(n, "beta"));
    cell(row, "Sigma_px", result(n, "sigma_px"));
    cell(row, "Shift_y_px", result(n, "shift_px.1"));
    cell(row, "Shift_x_px", result(n, "shift_px.2"));
    cell(row, "Mode", result(n, "mode"));
    tellWarnings(n, name);
}
answer = result(1, "rsp");
map = result(1, "maps.error");
if (isOn("map") && map != "")
    openResult(map, "Fire");
updateResults();
cleanUp();
return answer;
