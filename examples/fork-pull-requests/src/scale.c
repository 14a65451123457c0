#include <math.h>

double scale(double value, double exponent) { return pow(value, exponent); }
