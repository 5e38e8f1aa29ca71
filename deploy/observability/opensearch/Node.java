import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/**
 * One OpenSearch node on this machine. Usage: Node HOME ADDRESS HTTP_PORT TRANSPORT_PORT.
 *
 * The distribution's start script needs its directories of modules and its security policy; the jars are enough for a
 * node that this program starts itself.
 */
public class Node {
  private static class Embedded extends org.opensearch.node.Node {
    Embedded(Environment environment, Collection<Class<? extends Plugin>> plugins) {
      super(environment, plugins, false);
    }
  }

  public static void main(String[] args) {
    try {
      Files.createDirectories(Path.of(args[0], "config"));
      Settings settings = Settings.builder()
          .put("cluster.name", "haberdash")
          .put("discovery.type", "single-node")
          .put("path.home", args[0])
          .put("network.host", args[1])
          .put("http.port", args[2])
          .put("transport.port", args[3])
          // Otherwise the node would refuse to write on a disk that is 95 % full, and say so nowhere.
          .put("cluster.routing.allocation.disk.threshold_enabled", false)
          .build();
      Embedded node =
          new Embedded(new Environment(settings, null), List.of(Netty4Plugin.class, CommonAnalysisPlugin.class));
      Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
      node.start();
      Thread.currentThread().join(); // all threads of the node are daemons
    } catch (Throwable e) {
      e.printStackTrace();
      Runtime.getRuntime().halt(1); // the node's threads would keep the process alive
    }
  }

  private static void close(Embedded node) {
    try {
      node.close();
    } catch (Exception e) {
      e.printStackTrace();
    }
  }
}
