//! Nothing beyond every x86-64 CPU, but for what Rust's own library chooses.
use std::collections::HashMap;
fn main() {
    let lengths: HashMap<String, usize> = std::env::args().map(|a| (a.clone(), a.len())).collect();
    println!("{lengths:?} {}", "needle in a haystack".find("hay").unwrap_or(0));
}
