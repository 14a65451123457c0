#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <string>
#include <vector>

static double score(const std::vector<std::string> &words) {
    double sum = 0;
    for (const auto &word : words)
        sum += std::pow(1.1, static_cast<double>(word.size()));
    return sum;
}

PYBIND11_MODULE(_core, module) {
    module.def("score", &score, "The longer the words, the higher the score");
}
