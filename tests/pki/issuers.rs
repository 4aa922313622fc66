//! What a mount tells everybody about its issuers.

use std::{collections::BTreeSet, time::SystemTime};

use super::*;

#[tokio::test]
async fn a_task_learns_the_roots_of_a_mount_without_a_line_in_its_policy() {
    let (bao, client) = server();
    let jwt = bao.nomad().sign("timeline", "web", "alloc-learns", json!({}));
    let session = client.login_jwt("jwt-nomad", "timeline", &SecretString::new(jwt)).await.expect("a session");
    let read = async |path: String, query: BTreeMap<String, String>| {
        let path: ServerPath = path.parse().expect("a path");
        client.read(&session.token, &path, &query).await.expect("told").data
    };
    let listed = read("pki_int/issuers".to_owned(), [("list".to_owned(), "true".to_owned())].into()).await;
    let ids = listed["keys"].as_array().expect("issuers").clone();
    assert!(!ids.is_empty());
    let mut roots = BTreeSet::new();
    for id in &ids {
        let id = id.as_str().expect("an id");
        let issuer = read(format!("pki_int/issuer/{id}/json"), BTreeMap::new()).await;
        roots.extend(pki::roots_of(&issuer, SystemTime::now()).expect("readable"));
    }
    let issued = issue(&bao, &client, &spec(), "timeline").await;
    assert_eq!(roots.into_iter().collect::<String>(), issued.ca_pem);

    let chain = read("pki_int/cert/ca_chain".to_owned(), BTreeMap::new()).await;
    let roots = pki::roots_of(&chain, SystemTime::now()).expect("readable");
    assert_eq!(roots.into_iter().collect::<String>(), issued.ca_pem, "servers of old tell it so");
}
