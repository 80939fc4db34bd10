//! Teardowns by what was recorded: the namespace's UID and the database servers, whatever labels and app files say since.

use std::{fs, path::PathBuf, process::Command};

use berth_lab::{POSTGRES_PASSWORD, POSTGRES_USER, Postgres};
use berth_test_support::until;
use serde_json::{Value, json};

use crate::contested::own_apps::{OwnApps, paste, push_with_short_teardown, remaining};

/// A pull request with databases of its own, and the servers of its worker.
struct WithDatabases {
    own: OwnApps,
    pr: u64,
    servers: Vec<Postgres>,
    file: PathBuf,
}

impl WithDatabases {
    /// The app's databases are on the first server. Names of servers are `one`, `two`.
    fn start(pr: u64, servers: usize) -> Self {
        let servers: Vec<_> = (0..servers).map(|_| Postgres::start(50).unwrap()).collect();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("servers-{pr}.json"));
        let secret = format!("admin-{pr}");
        let named = ["one", "two"].iter().zip(&servers).map(|(name, server)| {
            let address = server.address;
            let entry = json!({"host": address.ip().to_string(), "port": address.port(), "tls": "disable",
                "admin_secret": secret, "connections": 5});
            ((*name).to_owned(), entry)
        });
        fs::write(&file, Value::Object(named.collect()).to_string()).unwrap();
        let own = OwnApps::start_with(pr, |_, worker| {
            worker.env("BERTH_DATABASE_SERVERS", &file);
        });
        let literals = [
            format!("--from-literal=username={POSTGRES_USER}"),
            format!("--from-literal=password={POSTGRES_PASSWORD}"),
        ];
        own.berth.kubectl(&["delete", "secret", &secret, "-n", "berth-system", "--ignore-not-found"]);
        own.berth.kubectl(&["create", "secret", "generic", &secret, "-n", "berth-system", &literals[0], &literals[1]]);
        let mut this = Self { own, pr, servers, file };
        this.own.edit("web.yaml", "preview:\n", "preview:\n  database: { server: one, mode: isolated }\n");
        this.restart_worker(|_| {});
        this
    }

    fn restart_worker(&mut self, configure: impl FnOnce(&mut Command)) {
        let file = &self.file;
        self.own.restart_worker_with(|worker| {
            worker.env("BERTH_DATABASE_SERVERS", file);
            configure(worker);
        });
    }

    /// The databases and the role of the pull request on a server.
    fn found(&self, server: usize) -> String {
        let query = "SELECT datname FROM pg_database WHERE datname LIKE 'web_pr_%' \
                     UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'web_pr_%'";
        self.servers[server].psql("postgres", query).unwrap()
    }

    fn close_until_blocked(&self) -> Value {
        assert_eq!(self.own.berth.preview("close", &["--no-wait"]).code, 0);
        until("it is blocked", || self.own.berth.status()["phase"] == "TeardownBlocked");
        self.own.berth.status()
    }

    /// The report of a close, as a person sees it. It must end well.
    fn close(&self) -> String {
        printed(&self.own, self.pr)
    }

    fn databases(&self, server: &str) -> String {
        format!("Databases and role web_pr_{} on {server}", self.pr)
    }
}

/// What `berth preview close` prints.
fn printed(own: &OwnApps, pr: u64) -> String {
    let commands = &own.berth.commands;
    let mut close = commands.command();
    close.args(["preview", "close", "web", &pr.to_string(), "--task-queue", &commands.task_queue]);
    let closed = close.output().unwrap();
    let text = String::from_utf8(closed.stdout).unwrap();
    eprintln!("--- close {pr}:\n{text}---");
    assert!(closed.status.success(), "{text}{}", String::from_utf8_lossy(&closed.stderr));
    text
}

#[test]
fn namespace_without_its_label_remains_and_keeps_its_databases() {
    let t = WithDatabases::start(341, 1);
    let berth = &t.own.berth;
    push_with_short_teardown(berth, 341);
    berth.kubectl(&["label", "namespace", "pr-341", "berth.dev/workflow-"]);
    let status = t.close_until_blocked();
    let namespace = remaining(&status, "Namespace/pr-341").unwrap();
    assert!(namespace["reason"].to_string().contains("berth.dev/workflow is gone"), "{namespace}");
    let databases = remaining(&status, &t.databases("one")).unwrap();
    assert!(databases["reason"].to_string().contains("pods of namespace pr-341"), "{databases}");
    assert_eq!(status["teardown"]["gone"], json!([]), "{status}");
    assert_eq!(t.found(0).lines().count(), 4);
    assert!(berth.kubectl(&["get", "deployment", "-n", "pr-341", "-o", "jsonpath={..spec.replicas}"]).starts_with('1'));
    eprintln!("{}", serde_json::to_string_pretty(&status["teardown"]).unwrap());

    assert!(paste(&berth.lab, namespace["command"].as_str().unwrap()).status.success());
    until("it ends by itself", || berth.status()["phase"] == "Closed");
    assert_eq!((t.found(0), berth.object("namespace", "pr-341")), (String::new(), None));
}

#[test]
fn environment_of_a_renamed_installation_is_named_with_commands() {
    let mut t = WithDatabases::start(342, 1);
    push_with_short_teardown(&t.own.berth, 342);
    t.restart_worker(|worker| {
        worker.env("BERTH_INSTALLATION", "renamed");
    });
    let status = t.close_until_blocked();
    let namespace = remaining(&status, "Namespace/pr-342").unwrap();
    assert!(namespace["reason"].to_string().contains("berth.dev/installation is berth"), "{namespace}");
    eprintln!("{}", serde_json::to_string_pretty(&status["teardown"]).unwrap());
    assert!(paste(&t.own.berth.lab, namespace["command"].as_str().unwrap()).status.success());
    let report = t.close();
    assert!(report.contains("gone  Namespace/pr-342"), "{report}");
    assert!(report.contains("ALONE Role/web_pr_342 on one: belongs to preview-web-342 of berth"), "{report}");
    assert_eq!(t.found(0).lines().count(), 4, "nothing of another installation is dropped");
    let sql = report.lines().filter_map(|line| line.trim().strip_prefix("by hand: "));
    sql.for_each(|sql| drop(t.servers[0].psql("postgres", sql).unwrap()));
    assert_eq!(t.found(0), "");
}

#[test]
fn namespace_of_the_same_name_with_another_uid_is_never_touched() {
    let own = OwnApps::start(343);
    push_with_short_teardown(&own.berth, 343);
    own.berth.kubectl(&["delete", "namespace", "pr-343"]);
    own.berth.kubectl(&["create", "namespace", "pr-343"]);
    let version = || own.berth.object("namespace", "pr-343").unwrap()["metadata"]["resourceVersion"].clone();
    let before = version();
    assert!(printed(&own, 343).contains("gone  Namespace/pr-343"));
    assert_eq!(version(), before);
    own.berth.kubectl(&["delete", "namespace", "pr-343"]);
}

#[test]
fn absent_server_on_which_nothing_was_made_does_not_block_a_close() {
    let mut t = WithDatabases::start(344, 1);
    t.servers[0].stop().unwrap();
    let push = t.own.berth.begin_push('1', &t.own.berth.lab.image("v1"), &[]);
    until("it waits for the server", || {
        t.own.berth.status()["rolling_out"]["waiting_for"].to_string().contains("database server")
    });
    let report = t.close();
    push.wait();
    let expected = format!("ALONE {}: not looked at: nothing of this environment was made there", t.databases("one"));
    assert!(report.contains(&expected) && report.contains("gone  Namespace/pr-344"), "{report}");
}

#[test]
fn database_of_another_owner_is_named_with_its_sql() {
    let t = WithDatabases::start(345, 1);
    push_with_short_teardown(&t.own.berth, 345);
    t.servers[0].psql("postgres", "ALTER DATABASE web_pr_345_visibility OWNER TO postgres").unwrap();
    let report = t.close();
    assert!(report.contains("ALONE Database/web_pr_345_visibility on one: belongs to postgres"), "{report}");
    assert!(report.contains("gone  Database/web_pr_345 on one"), "{report}");
    let sql = report.lines().find_map(|line| line.trim().strip_prefix("by hand: ")).unwrap();
    t.servers[0].psql("postgres", sql).unwrap();
    assert_eq!(t.found(0), "");
}

#[test]
fn role_without_its_comment_is_named_with_its_sql() {
    let t = WithDatabases::start(347, 1);
    push_with_short_teardown(&t.own.berth, 347);
    t.servers[0].psql("postgres", "COMMENT ON ROLE web_pr_347 IS NULL").unwrap();
    let report = t.close();
    assert!(report.contains("ALONE Role/web_pr_347 on one: has no comment that names its owner"), "{report}");
    assert_eq!(t.found(0).lines().count(), 4);
    let sql = report.lines().filter_map(|line| line.trim().strip_prefix("by hand: "));
    sql.for_each(|sql| drop(t.servers[0].psql("postgres", sql).unwrap()));
    assert_eq!(t.found(0), "");
}

#[test]
fn databases_on_an_earlier_server_are_dropped() {
    let mut t = WithDatabases::start(346, 2);
    push_with_short_teardown(&t.own.berth, 346);
    t.own.berth.temporal(&["workflow", "terminate", "--workflow-id", "preview-web-346", "--reason", "test"]);
    t.own.edit("web.yaml", "server: one", "server: two");
    t.restart_worker(|_| {});
    push_with_short_teardown(&t.own.berth, 346);
    assert_eq!((t.found(0).lines().count(), t.found(1).lines().count()), (4, 4));
    let report = t.close();
    assert!(
        report.contains("gone  Role/web_pr_346 on one") && report.contains("gone  Role/web_pr_346 on two"),
        "{report}"
    );
    assert_eq!((t.found(0), t.found(1)), (String::new(), String::new()));
}
