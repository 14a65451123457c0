//! The median of numbers.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Returns the median of `numbers`, which must not be empty.
#[pyfunction]
fn median(mut numbers: Vec<f64>) -> PyResult<f64> {
    if numbers.is_empty() {
        return Err(PyValueError::new_err("no numbers"));
    }
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    Ok(if numbers.len() % 2 == 0 { (numbers[middle - 1] + numbers[middle]) / 2.0 } else { numbers[middle] })
}

#[pymodule(name = "median")]
fn declare(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(median, module)?)
}
