//! The page of figures, asked as a watcher asks.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use crate::{
    bed::{Bed, until},
    jobs,
};

const SENT: &str = "strongbox_task_network_transmit_bytes_total{";

async fn ask(socket: &str, path: &str) -> String {
    let question = format!("GET {path} HTTP/1.1\r\nHost: strongbox\r\n\r\n");
    let mut answer = String::new();
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(question.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    match exchange.await {
        Ok(_) => answer,
        // It may not be served yet.
        Err(_) => String::new(),
    }
}

fn number(page: &str, name: &str) -> Option<f64> {
    page.lines().find(|line| line.starts_with(name))?.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tasks_figures_grow_and_end_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("metrics.sock").to_string_lossy().into_owned();
    let bed = Bed::new(&format!("metrics {{\n    address = \"unix:{socket}\"\n  }}")).await;
    // Nobody serves that port; what is sent to it is counted all the same.
    let task = bed.task(&jobs::shell("while :; do nc -w 1 172.17.0.1 9; nc -w 1 203.0.113.1 9; done", ""));
    bed.run(&task).await.expect("it starts");
    until("something was sent", || async { number(&ask(&socket, "/metrics").await, SENT) > Some(0.0) }).await;
    let page = ask(&socket, "/metrics").await;
    let before = number(&page, SENT);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/plain; version=0.0.4"), "{page}");
    assert!(page.contains(&format!("task_id=\"{}\"", task.id())), "{page}");
    assert_eq!(number(&page, "strongbox_tasks "), Some(1.0), "{page}");
    assert!(number(&page, "strongbox_task_memory_usage_bytes{") > Some(0.0), "{page}");
    until("more was sent", || async { number(&ask(&socket, "/metrics").await, SENT) > before }).await;
    assert!(ask(&socket, "/other").await.starts_with("HTTP/1.1 404"));
    task.destroy(&bed.agent, true).await.expect("destroyed");
    until("the task's lines are gone", || async {
        let page = ask(&socket, "/metrics").await;
        number(&page, "strongbox_tasks ") == Some(0.0) && !page.contains("task_id=")
    })
    .await;
    assert_eq!(number(&ask(&socket, "/metrics").await, "strongbox_starts_total "), Some(1.0));
}
