// DLSIM Resolution: of every plane, from the image itself (decorrelation analysis).
//
//   nm = runMacro("DLSIM/dlsim_resolution.ijm", "input=[/data/my image.tif] pixel_size=0.03");
//
// Without argument a dialog asks. Fills the results table, one row per plane; returns the resolution of the
// first plane in nm (in pixels if the pixel size is unknown, NaN if there is none).
//   input       image; empty: the open one
//   pixel_size  in um; 0: as the file tells
//   version     of the ImageJ plugin whose numbers are given: 1.1.8-nocap, 1.1.8, 1.1.7-2019
//   roi         X,Y,W,H in pixels; selection: the rectangle of the open image
//   sectors     also along N directions; 0: no
//   csv         table to write

known = newArray("input", "", "pixel_size", "0", "version", "1.1.8-nocap", "roi", "", "sectors", "0",
    "csv", "", "overwrite", "false");
if (!begin("resolution", known)) {
    startDialog("DLSIM Resolution");
    askFile("Image (empty: the open one)", "input");
    askNumber("Pixel size (0: as the file tells)", "pixel_size", 4, "um");
    askChoice("Numbers of the plugin", "version", newArray("1.1.8-nocap", "1.1.8", "1.1.7-2019"));
    askText("Rectangle X,Y,W,H (or: selection)", "roi", 16);
    askNumber("Directions (0: none)", "sectors", 0, "");
    endDialog(newArray("input", "text", "pixel_size", "number", "version", "choice", "roi", "text",
        "sectors", "number"));
}

roi = value("roi");
if (roi == "selection") {
    if (nImages == 0)
        fail("roi=selection needs an open image", "open it, or give roi=X,Y,W,H");
    if (selectionType() != 0)
        fail("the open image has no rectangular selection", "draw one, or leave roi= empty");
    getSelectionBounds(x, y, width, height);
    roi = d2s(x, 0) + "," + d2s(y, 0) + "," + d2s(width, 0) + "," + d2s(height, 0);
}
input = pathOf(value("input"));
addWord("resolution");
addWord(input);
addNumeric("--pixel-size", "pixel_size");
addOption("--version", "version");
if (roi != "") {
    addWord("--roi");
    addWord(roi);
}
addNumeric("--sectors", "sectors");
addOption("--csv", "csv");
addSwitch("--overwrite", "overwrite");
callDlsim();

answer = "NaN";
for (n = 1; n <= resultCount(); n++) {
    name = File.getName(result(n, "file"));
    row = newRow(name);
    cell(row, "Plane", result(n, "plane"));
    cell(row, "Resolution_nm", result(n, "resolution_nm"));
    cell(row, "Resolution_px", result(n, "resolution_px"));
    cell(row, "kc", result(n, "kc"));
    cell(row, "kc_GM", result(n, "kc_gm"));
    cell(row, "A0", result(n, "a0"));
    cell(row, "Status", result(n, "status"));
    if ("true" == result(n, "enlarged"))
        cell(row, "Enlarged", result(n, "factor"));
    cell(row, "Anisotropy", result(n, "directions.anisotropy"));
    if (n == 1) {
        tellWarnings(n, name);
        if ("" != result(n, "resolution_nm"))
            answer = result(n, "resolution_nm");
        else if ("" != result(n, "resolution_px"))
            answer = result(n, "resolution_px");
    }
}
updateResults();
cleanUp();
return answer;
