//! The number of parts at once finds itself: whatever the line, an upload takes little longer than the line
//! needs, and no more connections than fill it.

use sim::dice::Dice;
use sim::engine::shipped;
use sim::weather::Weather;
use sim::world::World;

/// How long an upload takes, in percent of what the line needs.
fn percent(connections_wanted: u64, latency_ms: u64, multiplexed: bool) -> u64 {
    let mut weather = Weather::steady(200);
    (weather.each, weather.latency_ms) = (weather.bandwidth / connections_wanted, latency_ms);
    weather.multiplexed = multiplexed;
    let ideal = weather.size / weather.bandwidth;
    let run = World::new(weather, Dice::new(3), shipped, false).run();
    run.map_or(u64::MAX, |run| run.took_ms * 100 / ideal)
}

#[test]
fn every_line_is_filled() {
    let mut slow = Vec::new();
    for (connections, multiplexed) in [(1, false), (2, false), (4, false), (6, false), (3, true), (12, true)]
    {
        for latency_ms in [2, 30, 150] {
            let took = percent(connections, latency_ms, multiplexed);
            eprintln!("{connections} wanted, {latency_ms} ms, multiplexed {multiplexed}: {took} %");
            // Twelve of a kind are found one step after the other, each a part's time long.
            if took > if connections == 12 { 160 } else { 125 } {
                slow.push((connections, latency_ms, multiplexed, took));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}
