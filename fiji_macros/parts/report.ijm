// DLSIM Report: the report of a results folder, built again and opened in the browser.
//
//   path = runMacro("DLSIM/dlsim_report.ijm", "folder=[/data/results] open_report=false");
//
// Without argument a dialog asks. Returns the path of report.html.
//   folder      what DLSIM Reconstruct or DLSIM Batch wrote
//   open_report open it in the browser

known = newArray("folder", "", "open_report", "true");
if (!begin("report", known)) {
    startDialog("DLSIM Report");
    askFolder("Results folder", "folder");
    askSwitch("Open it in the browser", "open_report");
    endDialog(newArray("folder", "text", "open_report", "switch"));
}

if ("" == value("folder"))
    fail("there is no results folder", "folder=[path]");
addWord("report");
addWord(withoutSlash(value("folder")));
callDlsim();

path = result(1, "report");
if (isOn("open_report"))
    run("URL...", "url=[" + fileUrl(path) + "]");
cleanUp();
return path;
