//! Load reports: as the agent sends them, and as nobody should.

use lb_control::view;

use crate::client::{Client, report, request};
use crate::rig::Rig;

fn known(rig: &Rig) -> view::LoadReports {
    Client::unix(rig).get("/v1/load-reports").done()
}

#[test]
fn a_report_is_taken_and_shown_for_every_service_of_its_backend() {
    let rig = Rig::with_tcp();
    let mut agent = Client::tcp(&rig, 1);
    let taken: view::Taken = agent
        .post("/v1/load-reports", &report("web-1", "b", 1))
        .done();
    assert_eq!(taken.taken, 1);
    let known = known(&rig);
    assert_eq!((known.taken, known.agents.len()), (1, 1));
    let agent = &known.agents[0];
    assert_eq!(
        (agent.service.as_str(), agent.backend.as_str()),
        ("web", "web-1")
    );
    let values = agent.values.as_ref().unwrap();
    assert_eq!(values.cpu_utilization, Some(0.5));
    assert!(!values.is_expired);
    assert_eq!(values.clients, None);
}

#[test]
fn each_refusal_has_its_own_status_and_is_counted_under_its_cause() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let mut post = |body: &str| client.post("/v1/load-reports", body);
    post(&report("web-1", "b", 5)).done::<view::Taken>();
    post(&report("web-1", "b", 5)).refused(409);
    post(&report("web-1", "b", 4)).refused(409);
    post(&report("web-9", "b", 6)).refused(404);
    let reasons = post(&report("web-1", "b", 6).replace("0.5", "-0.5")).refused(422);
    assert!(reasons[0].1.contains("cpu_utilization"), "{reasons:?}");
    let reasons = post(&report("web-1", "b", 6).replace("0.5", "\"x\"")).refused(422);
    assert_eq!(reasons[0].0, "cpu_utilization");
    post(&report("web-1", "b", 6).replace("0.5", "NaN")).refused(400);
    post("{").refused(400);
    post("{} {}").refused(422);
    let refused = known(&rig).refused;
    for (cause, count) in [
        ("replayed", 2),
        ("unknown_backend", 1),
        ("negative", 1),
        ("unreadable", 4),
        ("wrong_identity", 0),
    ] {
        assert_eq!(refused[cause], count, "{cause}");
    }
}

#[test]
fn too_many_reports_of_one_backend_are_told_to_come_later() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let answers: Vec<_> = (1..=1000)
        .map(|sequence| client.post("/v1/load-reports", &report("web-1", "b", sequence)))
        .collect();
    let later = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(later.fields["retry-after"], "1");
    let is_known = |status: u16| matches!(status, 200 | 429);
    assert!(answers.iter().all(|answer| is_known(answer.status)));
}

#[test]
fn pipelined_reports_are_answered_in_their_order_over_one_connection() {
    let rig = Rig::with_tcp();
    let mut agent = Client::tcp(&rig, 1);
    let mut octets = Vec::new();
    for number in 1..=20 {
        let backend = if number % 2 == 0 { "web-1" } else { "nobody" };
        let body = report(backend, "b", number);
        octets.extend(request("POST", "/v1/load-reports", &[], body.as_bytes()));
    }
    agent.say(&octets).unwrap();
    let statuses: Vec<_> = (0..20).map(|_| agent.answer().unwrap().status).collect();
    assert_eq!(statuses, [404, 200].repeat(10));
}

#[test]
fn of_an_array_each_report_is_taken_or_refused_by_itself() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let all = |names: &[&str]| {
        let reports: Vec<_> = names.iter().map(|name| report(name, "b", 1)).collect();
        format!(" [{}]", reports.join(","))
    };
    let taken: view::Taken = client
        .post("/v1/load-reports", &all(&["web-1", "web-2"]))
        .done();
    assert_eq!(taken.taken, 2);
    let taken: view::Taken = client.post("/v1/load-reports", "[]").done();
    assert_eq!(taken.taken, 0);
    let mixed = client.post("/v1/load-reports", &all(&["web-1", "dns-1", "web-9"]));
    let paths: Vec<_> = mixed
        .refused(422)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(paths, ["[0]", "[2]"]);
    assert_eq!(known(&rig).taken, 3);
}

#[test]
fn a_report_that_is_too_long_is_refused_before_it_is_read() {
    let rig = Rig::new();
    let long = format!("{}{}", report("web-1", "b", 1), " ".repeat(4096));
    let answer = Client::unix(&rig).post("/v1/load-reports", &long);
    answer.refused(413);
    assert_eq!(answer.fields["connection"], "close");
    assert_eq!(known(&rig).taken, 0);
}
