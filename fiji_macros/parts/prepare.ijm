// DLSIM Prepare Dataset: raw fields of view cut into a dataset for training.
//
//   runMacro("DLSIM/dlsim_prepare.ijm", "input=[/data/raw fields] output=[/data/dataset]");
//
// Without argument a dialog asks. Returns the folder of the dataset.
//   input       folder of raw frames and truths (HE/ and HER/, or raw/ and truth/, see docs/datasets.md)
//   output      folder of the dataset
//   layout      auto, seed-sim, seed-srrf, stacks
//   tile        side of a tile in pixels of the truth; 0: the layout's own
//   background  signal, max, none: which tiles to keep; empty: the layout's own
//   seed_layout also write the original's folders and names
//   overwrite   replace a dataset of that name

known = newArray("input", "", "output", "", "layout", "auto", "tile", "0", "background", "",
    "seed_layout", "false", "overwrite", "false");
if (!begin("prepare", known)) {
    startDialog("DLSIM Prepare Dataset");
    askFolder("Raw fields of view", "input");
    askFolder("Folder of the dataset", "output");
    askChoice("Layout", "layout", newArray("auto: find it", "seed-sim: HE/ and HER/",
        "seed-srrf: <sample>/SRRF_100ms.tif", "stacks: raw/ and truth/"));
    askNumber("Tile (0: the layout's own)", "tile", 0, "px of the truth");
    askSwitch("Also the original's folders and names", "seed_layout");
    askSwitch("Replace a dataset of that name", "overwrite");
    endDialog(newArray("input", "text", "output", "text", "layout", "choice", "tile", "number",
        "seed_layout", "switch", "overwrite", "switch"));
}

if ("" == value("input"))
    fail("there is no folder of raw frames", "input=[folder]");
if ("" == value("output"))
    fail("the dataset needs a folder", "output=[folder]");
addWord("prepare");
addWord(withoutSlash(value("input")));
addWord("-o");
addWord(withoutSlash(value("output")));
addOption("--layout", "layout");
addNumeric("--tile-px", "tile");
addOption("--background", "background");
addSwitch("--seed-layout", "seed_layout");
addSwitch("--overwrite", "overwrite");
callDlsim();

dataset = withoutSlash(value("output"));
row = newRow(File.getName(dataset));
cell(row, "Tiles", result(1, "patches"));
cell(row, "Fields_training", result(1, "split.train.count"));
cell(row, "Fields_validation", result(1, "split.validation.count"));
cell(row, "Fields_test", result(1, "split.test.count"));
tellWarnings(1, File.getName(dataset));
updateResults();
cleanUp();
return dataset;
