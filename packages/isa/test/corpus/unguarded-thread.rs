//! A thread's closure needs AVX2 and nobody asked.
use std::arch::x86_64::*;
#[target_feature(enable = "avx2")]
unsafe fn wide(data: &mut [i32]) -> i32 {
    let v = _mm256_loadu_si256(data.as_ptr() as *const __m256i);
    _mm256_storeu_si256(data.as_mut_ptr() as *mut __m256i, _mm256_add_epi32(v, v));
    data[3]
}
fn main() {
    let mut data: Vec<i32> = std::env::args().map(|a| a.len() as i32).chain(0..64).collect();
    let sum = std::thread::spawn(move || unsafe { wide(&mut data) }).join().unwrap();
    println!("{sum}");
}
