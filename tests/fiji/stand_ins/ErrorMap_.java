import ij.IJ;
import ij.ImagePlus;
import ij.WindowManager;
import ij.gui.GenericDialog;
import ij.measure.ResultsTable;
import ij.plugin.PlugIn;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JLabel;

/** Test double of NanoJ-SQUIRREL: its command, options and table, and numbers that tell which images it got. */
public class ErrorMap_ implements PlugIn {
    public void run(String arg) {
        JDialog news = new JDialog((JFrame) null, "Announcement", true);
        news.add(new JLabel("please cite"));
        news.pack();
        news.setVisible(true);
        String[] titles = WindowManager.getImageTitles();
        String[] rsf = {"-- RSF unknown, estimate via optimisation --"};
        GenericDialog dialog = new GenericDialog("Calculate Error-Map, RSE and RSP");
        dialog.addChoice("Reference Image", titles, titles[0]);
        dialog.addChoice("Super-Resolution Reconstruction(s)", titles, titles[0]);
        dialog.addChoice("RSF Estimate Image(s)", rsf, rsf[0]);
        dialog.addNumericField("Max. Mag. in Optimization", 5, 0);
        dialog.addCheckbox("Show_Advanced_Settings", false);
        dialog.showDialog();
        if (dialog.wasCanceled()) return;
        ImagePlus reference = WindowManager.getImage(dialog.getNextChoice());
        ImagePlus image = WindowManager.getImage(dialog.getNextChoice());
        dialog.getNextChoice();
        double largest = dialog.getNextNumber();
        if (reference.getWindow() == null || image.getWindow() == null) {
            IJ.log("the images have no windows");
            return;
        }
        ResultsTable table = new ResultsTable();
        table.incrementCounter();
        table.addValue("Frame", 1);
        table.addValue("RSP (Resolution Scaled Pearson-Correlation)", reference.getStatistics().mean + largest);
        table.addValue("RSE (Resolution Scaled Error)", image.getStatistics().mean);
        table.show("RSP and RSE values");
    }
}
