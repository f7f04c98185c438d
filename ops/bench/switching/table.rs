//! The Markdown tables, from what stands in `switch.json`.

use serde_json::Value;

/// Both tables, with what they were measured on.
pub fn markdown(whole: &Value) -> String {
    let rows: Vec<&Value> = whole["mechanisms"].as_array().unwrap().iter().collect();
    let mut text = ground(whole);
    text += "\n\n| | switches | requests | failed | on kept connections | on fresh ones | HTTP/2 | slow answers, streams, uploads | websockets ended |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    rows.iter().for_each(|row| text += &losses(row));
    for missing in whole["missing"].as_array().unwrap() {
        text += &format!("| {} | not here | | | | | | | |\n", missing.as_str().unwrap());
    }
    text += "\n| | first new answer | last old answer | the same under load, and at most | command | p50, p99, p99.9, max | the same within 1 s of a switch |\n";
    text += "|---|---|---|---|---|---|---|\n";
    rows.iter().for_each(|row| text += &times(row));
    text += &time_row(
        "`bg rollback`, live",
        &whole["rollback"],
        ["", "", ""].map(str::to_owned),
    );
    text
}

fn ground(whole: &Value) -> String {
    let machine = &whole["machine"];
    let versions = machine["versions"].as_object().unwrap();
    let versions: Vec<String> = versions
        .iter()
        .map(|(name, version)| format!("{name} {}", version.as_str().unwrap()))
        .collect();
    format!(
        "Measured with `ops/bench/switch --{}` on {}: {} cores ({}), {}.",
        whole["scale"].as_str().unwrap(),
        whole["date"].as_str().unwrap(),
        machine["cores"],
        machine["processor"].as_str().unwrap(),
        versions.join(", ")
    )
    .replace(" --usual", "")
}

fn losses(row: &Value) -> String {
    let failed = |kinds: &[&str]| -> u64 {
        let of = |kind: &&str| row["by_kind"][*kind]["failed"].as_u64().unwrap_or(0);
        kinds.iter().map(of).sum()
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        name(row),
        switches(row),
        grouped(&row["requests"]),
        grouped(&row["failed"]),
        failed(&["get", "post"]),
        failed(&["fresh-get", "fresh-post"]),
        failed(&["h2-get", "h2-post"]),
        failed(&["slow", "stream", "upload"]),
        row["websockets"]["closed"],
    )
}

fn switches(row: &Value) -> String {
    match row["refused"].as_u64() {
        Some(0) | None => row["switches"].to_string(),
        Some(refused) => format!("{}, {refused} not done", row["switches"]),
    }
}

fn times(row: &Value) -> String {
    let old: Vec<f64> = row["old_under_load_ms"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    let old = format!("{:.0} ms, {:.0} ms", old[0], old[1]);
    time_row(
        &name(row),
        &row["times"],
        [old, latency(&row["steady"]), latency(&row["near"])],
    )
}

fn time_row(name: &str, times: &Value, [old, steady, near]: [String; 3]) -> String {
    let [first, last, end] = ["first_ms", "last_ms", "end_ms"].map(|key| times[key].as_f64().unwrap());
    format!("| {name} | {first:.0} ms | {last:.0} ms | {old} | {end:.0} ms | {steady} | {near} |\n")
}

fn name(row: &Value) -> String {
    let name = row["mechanism"].as_str().unwrap();
    match row["way"].as_str() {
        Some(way) => format!("{name} (here: {way})"),
        None => name.to_owned(),
    }
}

fn latency(times: &Value) -> String {
    let all = ["p50", "p99", "p99_9", "max"].map(|key| format!("{:.0}", times[key].as_f64().unwrap()));
    format!("{} ms", all.join(", "))
}

/// `1,234,567`.
fn grouped(number: &Value) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
