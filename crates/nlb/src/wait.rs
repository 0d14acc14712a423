//! Waiting for a card without taking a processor for it.

use std::time::{Duration, Instant};

/// How long to look without sleeping: most runs of a few lines are over by then.
const SPIN: Duration = Duration::from_micros(20);
/// The first sleep; each further one is twice as long, up to the last.
const FIRST_SLEEP: Duration = Duration::from_micros(20);
const LAST_SLEEP: Duration = Duration::from_millis(5);

/// Waits until `ready` says so; false when `timeout` passed first. It looks once more at the end.
pub(crate) fn wait<E>(
    timeout: Duration,
    mut ready: impl FnMut() -> Result<bool, E>,
) -> Result<bool, E> {
    let start = Instant::now();
    let mut sleep = FIRST_SLEEP;
    loop {
        // The time is read first: a process that was stopped meanwhile gets its last look.
        let passed = start.elapsed();
        if ready()? {
            return Ok(true);
        }
        if passed >= timeout {
            return Ok(false);
        }
        if passed < SPIN {
            std::hint::spin_loop();
        } else {
            std::thread::sleep(sleep.min(timeout.saturating_sub(passed)));
            sleep = (sleep * 2).min(LAST_SLEEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn looks_at_least_once_and_gives_up() {
        let mut looks = 0;
        let done = wait(Duration::ZERO, || {
            looks += 1;
            Ok::<_, Infallible>(false)
        });
        assert_eq!((done, looks), (Ok(false), 1));
    }

    #[test]
    fn returns_as_soon_as_it_is_ready() {
        let mut looks = 0;
        let done = wait(Duration::from_secs(30), || {
            looks += 1;
            Ok::<_, Infallible>(looks == 40)
        });
        assert_eq!((done, looks), (Ok(true), 40));
    }

    #[test]
    fn sleeps_instead_of_looking_all_the_time() {
        let mut looks = 0_u32;
        let done = wait(Duration::from_millis(50), || {
            looks += 1;
            Ok::<_, Infallible>(Instant::now().elapsed() > Duration::from_secs(3600))
        });
        assert_eq!(done, Ok(false));
        // 20 us of looking, and sleeps of 20 us, 40 us ... 5 ms afterwards. A look takes tens of
        // nanoseconds, so looking for 50 ms would be hundreds of thousands of them.
        assert!(looks < 20_000, "{looks} looks");
    }

    #[test]
    fn passes_errors_on() {
        assert_eq!(wait(Duration::from_secs(30), || Err("gone")), Err("gone"));
    }
}
