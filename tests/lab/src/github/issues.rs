//! Pull requests as issues, which they are to those who comment.

use serde_json::{Value, json};

use super::{
    comments::REACTIONS,
    pulls::{Pull, label},
    repositories::Repository,
    state,
};

impl Pull {
    /// The JSON of a webhook's `issue`.
    pub(super) fn issue_json(&self, state: &state::State, repository: &Repository) -> Value {
        let (url, html) = (repository.url(&state.base), format!("{}/{}", state.base, repository.full_name()));
        let (own, pull) = (format!("{url}/issues/{}", self.number), format!("{url}/pulls/{}", self.number));
        let page = format!("{html}/pull/{}", self.number);
        let mut reactions = json!({"url": format!("{own}/reactions"), "total_count": 0});
        for content in REACTIONS {
            reactions[content] = json!(0);
        }
        json!({
            "id": self.id, "node_id": self.node_id(), "number": self.number, "title": self.title, "body": null,
            "state": if self.is_open { "open" } else { "closed" }, "state_reason": null, "locked": self.is_locked,
            "active_lock_reason": null, "draft": self.is_draft, "user": state.account(&self.author).json(&state.base),
            "labels": self.labels.iter().map(|name| label(&url, name)).collect::<Vec<_>>(),
            "assignee": null, "assignees": [], "milestone": null, "author_association": "COLLABORATOR",
            "comments": repository.comments.values().filter(|comment| comment.pull == self.number).count(),
            "reactions": reactions, "created_at": self.created_at, "updated_at": self.updated_at,
            "closed_at": self.closed_at, "url": own, "repository_url": url, "html_url": page,
            "labels_url": format!("{own}/labels{{/name}}"), "comments_url": format!("{own}/comments"),
            "events_url": format!("{own}/events"), "timeline_url": format!("{own}/timeline"),
            "pull_request": {
                "url": pull, "html_url": page, "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
                "merged_at": self.merged_at,
            },
        })
    }
}
