import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** A server or a client of mutual TLS whose key and trust come from a directory of key stores. */
public class TlsPeer {
    public static void main(String[] args) throws Exception {
        SSLContext context = context(Path.of(args[1]), args[2]);
        switch (args[0]) {
            case "serve" -> serve(context);
            case "ask" -> ask(context, Integer.parseInt(args[3]), args[4]);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    static SSLContext context(Path dir, String suffix) throws Exception {
        char[] password = Files.readString(dir.resolve("store.password")).toCharArray();
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(load(dir, "keystore", suffix, password), password);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(load(dir, "truststore", suffix, password));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    static KeyStore load(Path dir, String name, String suffix, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance(suffix.equals("p12") ? "PKCS12" : "JKS");
        try (InputStream in = new FileInputStream(dir.resolve(name + "." + suffix).toFile())) {
            store.load(in, password);
        }
        return store;
    }

    /** Answers each client that shows a certificate, until the process is ended. */
    static void serve(SSLContext context) throws Exception {
        SSLServerSocket socket = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
        socket.setNeedClientAuth(true);
        System.out.println(socket.getLocalPort());
        System.out.flush();
        while (true) {
            try (SSLSocket client = (SSLSocket) socket.accept()) {
                client.startHandshake();
                client.getOutputStream().write(("welcome " + subject(client) + "\n").getBytes(StandardCharsets.UTF_8));
            } catch (SSLException refused) {
                System.err.println(refused.getMessage());
            }
        }
    }

    static void ask(SSLContext context, int port, String host) throws Exception {
        Socket raw = new Socket(InetAddress.getLoopbackAddress(), port);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(raw, host, port, true)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            System.out.println("server " + subject(socket));
            System.out.print(new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    static String subject(SSLSocket socket) throws SSLException {
        return ((X509Certificate) socket.getSession().getPeerCertificates()[0]).getSubjectX500Principal().getName();
    }
}
