// Package workload puts a load on a key-value server and measures it: the
// engine of `vega-client bench`.
//
// The mixes A to F and their request distributions are those of the Yahoo!
// Cloud Serving Benchmark (Cooper et al., "Benchmarking Cloud Serving Systems
// with YCSB", SoCC 2010, section 4 and table 2). A workload runs in phases: the
// records are loaded, the server is warmed up, the mix is run and measured and,
// with Config.Verify, every record is read back at the end.
//
// # How latency is measured
//
//   - Closed loop (Config.Rate 0): a caller sends its next request when the
//     reply to the last one is there. The time from the first byte to the reply
//     is recorded.
//   - Open loop (Config.Rate > 0): requests have a timetable that does not wait
//     for the server. If a caller is still busy when its next request is due, the
//     request's time counts from when it was due, not from when it could be sent:
//     otherwise a server that stalls would be asked less while it is slow, and
//     its stalls would not show ("coordinated omission"). If the caller was idle
//     and only woke up late, the server is not to blame and the time counts from
//     when the request is sent.
//   - Latencies go into HDR histograms with three significant digits, from 1 µs
//     to one minute.
//
// # Verification
//
// With Config.Verify each value carries a checksum of its key and of itself,
// checked by every read. Where replies carry versions (the native protocol), a
// read that starts after a write was acknowledged with version v must show a
// version ≥ v: a write that was acknowledged and then lost is noticed by the
// next read of its key, at the latest by the final pass over all records. This
// holds across restarts of the server, because versions go on where the log ends.
//
// # Differences from YCSB
//
//   - Records have one field. A hash table knows no order, so a scan (mix E)
//     reads a page of entries from where the same caller's last scan ended.
//   - With the zipfian distribution, records inserted during the run are not
//     asked for, so that the popularity of a record stays as it is.
//   - The zipfian numbers are exact (rejection-inversion) and spread over the
//     records by a permutation, where YCSB's are approximate and spread by a hash
//     that lets records collide.
package workload
