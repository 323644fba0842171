//! Adaptive concurrency on networks of different kinds: an upload takes little longer than the network needs.

use simulation::engine::machine;
use simulation::rng::Rng;
use simulation::scenario::Scenario;
use simulation::world::World;

/// The duration of an upload in percent of what the network needs, if it takes `connections` to fill it.
fn percent(connections: u64, latency_ms: u64, multiplexed: bool) -> u64 {
    let mut scenario = Scenario::steady(200);
    scenario.connection_bytes_per_ms = scenario.bytes_per_ms / connections;
    (scenario.latency_ms, scenario.multiplexed) = (latency_ms, multiplexed);
    let ideal_ms = scenario.size / scenario.bytes_per_ms;
    let run = World::new(scenario, Rng::new(3), machine, false).run();
    run.map_or(u64::MAX, |run| run.took_ms * 100 / ideal_ms)
}

#[test]
fn any_network_is_filled() {
    let mut slow = Vec::new();
    for (connections, multiplexed) in [(1, false), (2, false), (4, false), (6, false), (3, true), (12, true)]
    {
        for latency_ms in [2, 30, 150] {
            let took = percent(connections, latency_ms, multiplexed);
            eprintln!("{connections} connections, {latency_ms} ms, multiplexed {multiplexed}: {took} %");
            // The limit grows step by step, each as long as a part takes: 12 are reached late.
            if took > if connections == 12 { 160 } else { 125 } {
                slow.push((connections, latency_ms, multiplexed, took));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}
