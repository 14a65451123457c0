use std::{env, fs::File};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[inline(always)]
fn thread() -> i32 {
    unsafe { libc::gettid() } /* gettid */
}

mod nested {
    pub struct Of<T>(pub T);

    impl<T: Copy + Into<f64>> Of<T> {
        #[inline(never)]
        pub fn power(&self) -> f64 {
            unsafe { pow(self.0.into(), 2.5) } /* pow */
        }
    }

    extern "C" {
        fn pow(x: f64, y: f64) -> f64;
    }
}

#[inline(never)]
fn numbers(path: &str) -> f64 {
    thread() as f64 + nested::Of(path.len() as f32).power()
}

fn main() {
    let path = env::args().nth(1).unwrap();
    let map = unsafe { memmap2::Mmap::map(&File::open(&path).unwrap()).unwrap() };
    let library = unsafe { libloading::Library::new(&path) }.is_ok();
    println!("{} {} {}", map.len(), library, numbers(&path));
}
