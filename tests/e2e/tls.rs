//! Two tasks talk mutual TLS with the certificates that the driver gave them.

use std::process::Command;

use crate::{
    bao::openssl,
    bed::{Bed, docker, until},
    jobs,
};

/// Serves one page to whoever shows a certificate of our CA.
const SERVER: &str = "cd /run/secrets/server && exec openssl s_server -accept 4433 -cert cert.pem -cert_chain cert.pem \
    -key key.pem -CAfile ca.pem -Verify 4 -verify_return_error -www";

const CERTIFICATE: &str = "certificate \"server\" { change_mode = \"noop\" }";

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_talk_mutual_tls_and_a_strangers_certificate_is_refused() {
    let bed = Bed::new("").await;
    let server = bed.task(&jobs::job("strongbox/tls:1", SERVER, CERTIFICATE));
    let client = bed.task(&jobs::job("strongbox/tls:1", jobs::SLEEP, CERTIFICATE));
    bed.run(&server).await.expect("it starts");
    bed.run(&client).await.expect("it starts");
    let server_at = server.container(&bed.agent).await.expect("a container");
    let client_at = client.container(&bed.agent).await.expect("a container");
    let address = docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &server_at]);

    let verified = bed.sh(
        &client,
        "cd /run/secrets/server && openssl verify -CAfile ca.pem -untrusted cert.pem -purpose sslserver cert.pem && \
         openssl verify -CAfile ca.pem -untrusted cert.pem -purpose sslclient cert.pem",
    );
    assert_eq!(verified.await.matches("cert.pem: OK").count(), 2);

    let name = "timeline.web.timeline.default.strongbox.internal";
    let connect = |at: &str| {
        format!(
            "cd {at} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -connect {address}:4433 -quiet -cert cert.pem \
             -cert_chain cert.pem -key key.pem -CAfile /run/secrets/server/ca.pem -verify_return_error \
             -verify_hostname {name} 2>&1"
        )
    };
    let talk = |script: String| {
        let output = Command::new("docker").args(["exec", &client_at, "sh", "-c", &script]).output();
        String::from_utf8_lossy(&output.expect("docker runs").stdout).into_owned()
    };
    until("the server serves", || async { talk(connect("/run/secrets/server")).contains("HTTP/1.0 200") }).await;
    let page = talk(connect("/run/secrets/server"));
    assert!(
        page.contains("spiffe://strongbox.internal/ns/default/job/timeline") || page.contains("Verify return code: 0"),
        "{page}"
    );

    // A certificate with the right names of a CA that nobody trusts.
    let local = |name: &str| client.dir.local.join(name).display().to_string();
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=stranger",
        "-addext",
        &format!("subjectAltName=DNS:{name}"),
        "-keyout",
        &local("key.pem"),
        "-out",
        &local("cert.pem"),
    ]);
    let page = talk(connect("/local"));
    assert!(!page.contains("HTTP/1.0 200"), "{page}");
    assert!(page.contains("alert") || page.contains("error"), "{page}");
    // The server's own is not taken for another name.
    let page = talk(connect("/run/secrets/server").replace(name, "other.strongbox.internal"));
    assert!(page.contains("ostname mismatch") && !page.contains("HTTP/1.0 200"), "{page}");

    bed.end(&client).await;
    bed.end(&server).await;
    bed.is_clean().await;
}
