#include <Python.h>

static PyObject *tally(PyObject *module, PyObject *items) {
    PyObject *counts = PyDict_New(), *iterator = PyObject_GetIter(items), *item;
    while (counts != NULL && iterator != NULL && (item = PyIter_Next(iterator)) != NULL) {
        PyObject *old = PyDict_GetItemWithError(counts, item);
        PyObject *grown = PyLong_FromLong(old == NULL ? 1 : PyLong_AsLong(old) + 1);
        if (grown == NULL || PyDict_SetItem(counts, item, grown) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(grown);
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred())
        Py_CLEAR(counts);
    return counts;
}

static PyMethodDef methods[] = {{"tally", tally, METH_O, "How often each item occurs"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "tally", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_tally(void) { return PyModule_Create(&module); }
