//! Counts visits, one counter a thread, and says goodbye when a thread ends.

use std::cell::RefCell;
use std::thread;

struct Visits(u32);

// A destructor of a thread-local value: std registers it with `__cxa_thread_atexit_impl` where the C library has it (glibc 2.18).
impl Drop for Visits {
    fn drop(&mut self) {
        println!("{} visits", self.0);
    }
}

thread_local! {
    static VISITS: RefCell<Visits> = const { RefCell::new(Visits(0)) };
}

fn main() {
    let threads: Vec<_> = (1..=3)
        .map(|count| {
            thread::spawn(move || {
                for _ in 0..count {
                    VISITS.with(|visits| visits.borrow_mut().0 += 1);
                }
            })
        })
        .collect();
    for handle in threads {
        handle.join().expect("a thread panicked");
    }
}
