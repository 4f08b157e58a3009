import ij.ImagePlus;
import ij.WindowManager;
import ij.measure.ResultsTable;
import ij.plugin.PlugIn;
import ij.process.ImageStatistics;
import java.awt.FlowLayout;
import javax.swing.JButton;
import javax.swing.JCheckBox;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JTextField;

/** Test double of the decorrelation plugin: its window and its columns; it stops without a row above 1000. */
public class ImageDecorrelationAnalysis_ implements PlugIn {
    public void run(String arg) {
        JFrame window = new JFrame("Image Decorrelation Analysis");
        window.setLayout(new FlowLayout());
        String[] labels = {"Radius min", "Radius max", "Nr", "Ng"};
        String[] values = {"0", "1", "50", "10"};
        for (int i = 0; i < 4; i++) {
            window.add(new JLabel(labels[i]));
            window.add(new JTextField(values[i]));
        }
        JCheckBox plot = new JCheckBox("Do plot", true);
        JButton compute = new JButton("Compute");
        window.add(plot);
        window.add(new JCheckBox("Batch stack"));
        window.add(new JCheckBox("Batch folder"));
        window.add(compute);
        window.add(new JButton("About"));
        compute.addActionListener(event -> new Thread(() -> measure(plot.isSelected())).start());
        window.pack();
        window.setVisible(true);
    }

    private void measure(boolean plot) {
        ImagePlus image = WindowManager.getCurrentImage();
        ImageStatistics found = image.getStatistics();
        if (found.mean > 1000) throw new ArrayIndexOutOfBoundsException("Index 102 out of bounds for length 100");
        boolean flat = found.min == found.max;
        double kc = flat ? 0 : found.mean;
        ResultsTable table = ResultsTable.getResultsTable();
        table.incrementCounter();
        table.addLabel(image.getTitle());
        table.addValue("Res.", 2 * image.getCalibration().pixelWidth / kc);
        table.addValue("units", "[" + image.getCalibration().getUnits() + "]");
        table.addValue("A0", plot ? -1 : 0.7);
        table.addValue("Kc", kc);
        table.addValue("Kc GM", kc / 2);
        table.show("Results");
    }
}
