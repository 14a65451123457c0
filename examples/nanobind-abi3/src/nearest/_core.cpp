#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

static double nearest(const std::vector<double> &numbers, double wanted) {
    if (numbers.empty())
        throw std::invalid_argument("no numbers");
    return *std::min_element(numbers.begin(), numbers.end(), [wanted](double one, double other) {
        return std::fabs(one - wanted) < std::fabs(other - wanted);
    });
}

NB_MODULE(_core, module) {
    module.def("nearest", &nearest, "The number that is nearest to the wanted one");
}
