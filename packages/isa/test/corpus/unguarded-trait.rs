//! A trait object's method needs AVX2 and nobody asked.
use std::arch::x86_64::*;
trait Step {
    fn run(&self, data: &mut [i32]) -> i32;
}
struct Wide;
struct Narrow;
#[target_feature(enable = "avx2")]
unsafe fn wide(data: &mut [i32]) -> i32 {
    let v = _mm256_loadu_si256(data.as_ptr() as *const __m256i);
    _mm256_storeu_si256(data.as_mut_ptr() as *mut __m256i, _mm256_add_epi32(v, v));
    data[3]
}
impl Step for Wide {
    #[inline(never)]
    fn run(&self, data: &mut [i32]) -> i32 {
        unsafe { wide(data) }
    }
}
impl Step for Narrow {
    #[inline(never)]
    fn run(&self, data: &mut [i32]) -> i32 {
        data.iter().sum()
    }
}
fn main() {
    let steps: Vec<Box<dyn Step>> = vec![Box::new(Narrow), Box::new(Wide)];
    let mut data: Vec<i32> = std::env::args().map(|a| a.len() as i32).chain(0..64).collect();
    let sum: i32 = steps.iter().map(|s| s.run(&mut data)).sum();
    println!("{sum}");
}
